module kubernaut.io/examples/go-action

go 1.22
