"""Experiments on simulated patients: the one package that knows host and simulator.

Research and bench use only; not a medical device.
"""
