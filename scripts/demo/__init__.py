"""The latency demo: what WebSocket mode and this pipeline save, on the reader's own machine."""
