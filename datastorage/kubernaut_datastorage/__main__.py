"""`python -m kubernaut_datastorage`: the service, without the program `kubernaut`."""

from kubernaut_datastorage.command import main

main()
