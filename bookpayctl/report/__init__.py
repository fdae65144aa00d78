"""What a judgement says: verdicts, results, and the three forms they are printed in. Pure."""
