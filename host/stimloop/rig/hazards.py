"""The twelve hazards of SAFETY.md, by their numbers."""

HAZARDS = {
    "H1": "Overstimulation",
    "H2": "Net charge",
    "H3": "Output that does not end",
    "H4": "Loss of therapy",
    "H5": "A loop that chatters",
    "H6": "Wrong device, side or contact",
    "H7": "Orders without authority",
    "H8": "Damaged or lost telemetry",
    "H9": "An empty battery",
    "H10": "Artefact taken for biomarker",
    "H11": "Memory, clock, power",
    "H12": "Use error",
}
