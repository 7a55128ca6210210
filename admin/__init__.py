"""Administration: what operators do, at the command line; the console comes to stand beside it."""
