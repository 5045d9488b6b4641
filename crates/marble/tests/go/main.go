// An existing marble, written in Go: serves or calls with the TLS configuration of ego/marble and knows nothing else
// of the mesh.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/edgelesssys/ego/marble"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) == 3 && os.Args[1] == "call" {
		call(os.Args[2])
		return
	}
	serve()
}

func serve() {
	config, err := marble.GetTLSConfig(true)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	greet := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", os.Getenv("GREETING"), r.TLS.PeerCertificates[0].Subject.CommonName)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	server := http.Server{Handler: http.HandlerFunc(greet), TLSConfig: config}
	log.Fatal(server.ServeTLS(listener, "", ""))
}

func call(address string) {
	config, err := marble.GetTLSConfig(false)
	if err != nil {
		log.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	answer, err := client.Get("https://" + address)
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, says %s", body, answer.TLS.PeerCertificates[0].Subject.CommonName)
}
