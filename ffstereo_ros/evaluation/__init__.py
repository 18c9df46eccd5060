"""How good is the depth: scenes and bags in, metrics and a report out, by the code that runs on the robot."""
