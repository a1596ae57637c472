"""Methods of fine-tuning: which weights are trained, and what is added to a step."""
