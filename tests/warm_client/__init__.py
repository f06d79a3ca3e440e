"""A client of Flink that stays, where :mod:`flink_jobs.cluster.submission` starts one for each job.

``flink run`` takes 14 s of CPU time for a job: a JVM, the planner's classes, Python, the graph. All
but the graph is the same for each job, and most tests are about what a job does once it runs. Those
about the submission itself (``loudly run``, ``demo``, ``sandbox``, ``tests/embedded``) do without.
"""
