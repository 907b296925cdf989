"""The way of one request: complete the document, derive its facts, evaluate, combine, conclude.

`request` says what a request is, `document` completes one, `evaluate` runs it through the policies, `combine` and
`conclude` weigh what was found, `masks` resolves obligations to outputs, `decision` is what comes out.
"""
