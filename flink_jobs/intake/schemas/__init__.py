"""Schemas of Avro and Protobuf: from files and from registries."""
