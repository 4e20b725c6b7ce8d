"""What the inside asks of the outside, as Protocols. Adapters live in stores, actions and scripting; fakes that pass
the same contract ship beside them. Ports stay small and hold no code."""
