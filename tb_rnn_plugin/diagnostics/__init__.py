"""What is measured of a recurrent layer, and when it is called a fault.

A measure is a pure function on arrays, in a file of its own or with its family. What needs the arrays is measured when
they are written (`measuring`) and stored in the light summary of its quantity; it is judged when it is read
(`histories`, the rules, `judge`), so that thresholds can be changed afterwards.
"""
