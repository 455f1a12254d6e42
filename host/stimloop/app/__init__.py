"""The programmer: a Qt window onto the station, the process that holds the device.

The only package that imports Qt. It holds no therapy logic: its forms are built from the
prescription's tables and the device's limits, what it shows as on comes from the device, and
every order goes through `stimloop.station`. Killing it ends nothing but the view.
"""
