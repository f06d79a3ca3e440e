"""Faults on purpose: processes killed, disks and brokers hindered, results compared to the byte."""
