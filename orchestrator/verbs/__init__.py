"""The verbs of the command line, one function each: options and output, no logic; slow imports inside a verb."""
