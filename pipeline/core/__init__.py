"""The pure logic: values in, values out. No file, no clock, no network, no environment."""
