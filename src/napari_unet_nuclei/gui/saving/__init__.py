"""The dialog *Save*, one for all labels and all docks."""
