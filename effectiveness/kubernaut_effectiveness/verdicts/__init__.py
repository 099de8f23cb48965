"""The verdicts: from judged incidents to what is said of an action type, with its uncertainty or a refusal."""
