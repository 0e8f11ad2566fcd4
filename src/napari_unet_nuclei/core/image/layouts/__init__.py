"""Images whose channels, planes and time points lie in files of their own, told by the files' names."""
