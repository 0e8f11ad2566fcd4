"""One labels layer that is followed over time: what the docks *Follow over time* and *Correct nuclei* act on."""
