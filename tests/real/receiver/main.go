// Receiver takes remote write 2.0 with the Prometheus project's own library and writes each request to standard output
// as a line of JSON. `receiver ADDRESS`; built by scripts/receiver.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

type lines struct{}

func (lines) Store(request *http.Request, _ remote.WriteMessageType) (*remote.WriteResponse, error) {
	response := remote.NewWriteResponse()
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return response, err
	}
	message := &writev2.Request{}
	if err := proto.Unmarshal(body, message); err != nil {
		response.SetStatusCode(http.StatusBadRequest)
		return response, err
	}
	stats := remote.WriteResponseStats{}
	for _, series := range message.Timeseries {
		stats.Samples += len(series.Samples)
		stats.Histograms += len(series.Histograms)
		stats.Exemplars += len(series.Exemplars)
	}
	line, err := protojson.Marshal(message)
	if err != nil {
		return response, err
	}
	fmt.Println(string(line))
	response.Add(stats)
	return response, nil
}

func main() {
	handler := remote.NewWriteHandler(lines{}, remote.MessageTypes{remote.WriteV2MessageType})
	log.Fatal(http.ListenAndServe(os.Args[1], handler))
}
