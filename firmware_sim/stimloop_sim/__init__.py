"""The other end of the wire: a simulated implant, its tissue and its patient.

Hosts reach it by URL (``sim://dbs``), as a kernel tty or over TCP (``python -m stimloop_sim``).
"""
