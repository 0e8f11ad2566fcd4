"""Campaigns of faults: ``python -m endurance`` for all of them, or names of modules here for some. Linux only.

Each campaign tries something that goes wrong: spoiled files, kills, full disks, runs at the same moment, hours of use.
Seeds never change. It prints what it counted, and fails on anything but what is promised: a right result, or an error
in words and what was there before.
"""
