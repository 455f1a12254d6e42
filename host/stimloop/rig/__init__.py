"""The rig: what every device has to keep, shown on a simulated or a real one.

Obligations are declared once, in `stimloop.rig.suites`; ``stimloop rig`` and the pytest plugin
`stimloop.rig.plugin` run the same ones. Resistor or saline loads only: the rig stimulates.
"""
