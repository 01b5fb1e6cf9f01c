// Below cert-manager's path, because only there its internal packages may be used: upstream's mains are modules that no proxy serves.
// The versions of what these mains import are those of ../../go.mod.
module github.com/cert-manager/cert-manager/lab

go 1.26.5
