"""Commands that people run besides the job, and their parts that tests use as well."""
