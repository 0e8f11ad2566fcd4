"""Forms for settings, and settings that last from one session to the next."""
