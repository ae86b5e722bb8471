package main

import "errors"

func startSparkle(bin string, users int) (*subject, error) { return nil, errors.New("todo") }
