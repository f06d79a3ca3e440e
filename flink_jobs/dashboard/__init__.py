"""The live page: what the job writes to Kafka, as it is written, and commands to the job."""
