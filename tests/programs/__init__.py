"""Random programs: drawn once, run on two libraries, compared step by step.

`grammar.draw` turns a list of integers into a concrete program by looking at the tensors that are live on
the library it draws on; `interpreter.run` executes that program on any other library; `compare.compare`
names the first difference; `reduction.reduce` makes a failing program short.
"""
