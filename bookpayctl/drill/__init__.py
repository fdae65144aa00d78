"""How a drill is run: guard, steady state, load, fault, proof, observation, undo, audit, verdict.

The content, one file per drill, is in `drills`.
"""
