"""What a judgement says: verdicts, results, and the forms they are printed in. Pure."""
