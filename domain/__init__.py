"""The law: pure values and judgements. No clock, no input or output, no logging, no engine; time is an argument."""
