// Reads keys and verifies certificates as marbles and clients written in Go do. Exits with 1 and a line for each failure.
package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

var failed bool

func fail(format string, values ...any) {
	failed = true
	fmt.Printf(format+"\n", values...)
}

func read(path string) *x509.Certificate {
	der, err := os.ReadFile(path)
	if err != nil {
		fail("%s: %v", path, err)
		os.Exit(1)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		fail("%s: %v", path, err)
		os.Exit(1)
	}
	return certificate
}

func checkKeys(folder string) {
	keys, _ := filepath.Glob(filepath.Join(folder, "*.key"))
	for _, path := range keys {
		der, _ := os.ReadFile(path)
		if _, err := x509.ParsePKCS8PrivateKey(der); err != nil {
			fail("%s: %v", path, err)
		}
	}
}

func verify(leaf, anchor, intermediate *x509.Certificate) error {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(anchor)
	if intermediate != nil {
		intermediates.AddCert(intermediate)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, DNSName: "localhost",
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		CurrentTime: leaf.NotBefore.Add(time.Hour),
	})
	return err
}

func main() {
	folder := os.Args[1]
	checkKeys(folder)
	root := read(filepath.Join(folder, "root.cer"))
	intermediate := read(filepath.Join(folder, "intermediate.cer"))
	marbleRoot := read(filepath.Join(folder, "marbleroot.cer"))
	leaves, _ := filepath.Glob(filepath.Join(folder, "leaf-*.cer"))
	for _, path := range leaves {
		leaf := read(path)
		if err := verify(leaf, root, intermediate); err != nil {
			fail("%s under the root: %v", path, err)
		}
		if err := verify(leaf, intermediate, nil); err != nil {
			fail("%s under the intermediate: %v", path, err)
		}
		if err := verify(leaf, marbleRoot, nil); err != nil {
			fail("%s under the marble root: %v", path, err)
		}
	}
	fmt.Printf("%d certificates\n", len(leaves))
	if failed {
		os.Exit(1)
	}
}
