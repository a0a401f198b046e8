"""What a ReaperTask is: models, vocabulary, translation to a Pod. Pure: no I/O, no clock, no cluster."""
