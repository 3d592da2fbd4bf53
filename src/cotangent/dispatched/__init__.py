"""Operations as dispatch modes see them: each by the name and with the arguments that ATen gives it.

`stack` asks modes, `names` says what an operation of the table is called, `pullbacks` says it of backward,
`factories` stands in front of functions that are not in the table, and
`exchange` puts all that in place while a mode is on.
"""
