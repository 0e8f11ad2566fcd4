"""What correcting keeps: a history that takes back every change, and corrections on disk that outlive the viewer."""
