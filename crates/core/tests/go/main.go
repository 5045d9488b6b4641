// Verifies a log's checkpoint and proofs with the Go project's own implementation of the formats.
//
// Reads one JSON object from standard input, see log.rs beside it; prints how many proofs held.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type vectors struct {
	Key         string
	Checkpoints []string
	Entries     []string
	Inclusion   []struct {
		Index, Size int64
		Proof       [][]byte
	}
	Consistency []struct {
		From, To int64
		Proof    [][]byte
	}
}

func main() {
	var v vectors
	if err := json.NewDecoder(os.Stdin).Decode(&v); err != nil {
		log.Fatal(err)
	}
	roots := map[int64]tlog.Hash{}
	verifier, err := note.NewVerifier(v.Key)
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range v.Checkpoints {
		size, root := open(text, verifier)
		if computed := treeHash(v.Entries[:size]); computed != root {
			log.Fatalf("size %d: the entries give the root %v, the checkpoint says %v", size, computed, root)
		}
		roots[size] = root
	}
	for _, p := range v.Inclusion {
		leaf := tlog.RecordHash([]byte(v.Entries[p.Index]))
		if err := tlog.CheckRecord(hashes(p.Proof), p.Size, roots[p.Size], p.Index, leaf); err != nil {
			log.Fatalf("entry %d in %d: %v", p.Index, p.Size, err)
		}
	}
	for _, p := range v.Consistency {
		if err := tlog.CheckTree(hashes(p.Proof), p.To, roots[p.To], p.From, roots[p.From]); err != nil {
			log.Fatalf("from %d to %d: %v", p.From, p.To, err)
		}
	}
	fmt.Printf("%d checkpoints, %d inclusions, %d consistencies\n", len(v.Checkpoints), len(v.Inclusion), len(v.Consistency))
}

// open checks the signature and reads size and root, as C2SP tlog-checkpoint has them.
func open(text string, verifier note.Verifier) (int64, tlog.Hash) {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		log.Fatal(err)
	}
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		log.Fatalf("origin %q, key name %q", lines[0], verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		log.Fatalf("root %q: %v", lines[2], err)
	}
	return size, tlog.Hash(root)
}

func treeHash(entries []string) tlog.Hash {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = stored[index]
		}
		return out, nil
	})
	for i, entry := range entries {
		more, err := tlog.StoredHashes(int64(i), bytes.Clone([]byte(entry)), reader)
		if err != nil {
			log.Fatal(err)
		}
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(int64(len(entries)), reader)
	if err != nil {
		log.Fatal(err)
	}
	return root
}

func hashes(proof [][]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(proof))
	for i, hash := range proof {
		out[i] = tlog.Hash(hash)
	}
	return out
}
