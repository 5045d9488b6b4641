module example.org/existing-marble

go 1.21

require github.com/edgelesssys/ego v1.7.2
