"""PyTorch's own table of operators (`op_db`) as a test of cotangent.

`catalogue` says which operators there are, `translate` finds a function of PyTorch in cotangent, `carry`
takes a sample's arguments from one library to the other, `judge` runs both and names the first difference,
and `excused` lists the operators that may differ, with the reasons.
"""
