"""Benchmarks for Airspeed Velocity; ../asv.conf.json has the commands."""
