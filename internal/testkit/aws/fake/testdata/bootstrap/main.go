// Command bootstrap is a Lambda function for the fake's own tests. The event
// selects its behavior: {"do": "echo" | "error" | "exit" | "sleep" |
// "environment"}, a custom resource, a batch of records, or a proxy event.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

type event struct {
	Do, Bucket, Key string

	RequestType, ResponseURL, PhysicalResourceId string
	StackId, RequestId, LogicalResourceId        string
	ResourceProperties, OldResourceProperties    map[string]any

	Records []struct {
		Kinesis struct {
			SequenceNumber string
			Data           []byte
		}
	}

	HTTPMethod     string
	Path           string
	Body           *string
	PathParameters map[string]string
	RequestContext map[string]any
}

func main() {
	if os.Getenv("FAIL_INIT") != "" {
		fmt.Println("init fails")
		os.Exit(3)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	switch {
	case e.ResponseURL != "":
		return nil, answer(ctx, e)
	case len(e.Records) > 0:
		return records(e), nil
	case e.HTTPMethod != "":
		return proxy(e)
	}
	fmt.Println("doing", e.Do)
	switch e.Do {
	case "error":
		return nil, errors.New("as asked")
	case "exit":
		os.Exit(4)
	case "sleep":
		<-ctx.Done()
		<-time.After(time.Minute)
	case "environment":
		return os.Environ(), nil
	case "put":
		return nil, put(ctx, e)
	}
	return e.Do, nil
}

func put(ctx context.Context, e event) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &e.Bucket, Key: &e.Key, Body: strings.NewReader("from the function")})
	return err
}

// answer responds according to the resource's property Mode.
func answer(ctx context.Context, e event) error {
	mode, _ := e.ResourceProperties["Mode"].(string)
	fmt.Println(e.RequestType, mode)
	if mode == "crash" && e.RequestType != "Delete" {
		os.Exit(5)
	}
	out := map[string]any{
		"Status": "SUCCESS", "PhysicalResourceId": "custom-1", "StackId": e.StackId, "RequestId": e.RequestId, "LogicalResourceId": e.LogicalResourceId,
		"Data": map[string]any{"Seen": e.RequestType, "Count": e.ResourceProperties["Count"]},
	}
	if mode == "fail" && e.RequestType != "Delete" {
		out["Status"], out["Reason"] = "FAILED", "the function says no"
	}
	if mode == "replace" {
		out["PhysicalResourceId"] = "custom-2"
	}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, e.ResponseURL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("answer: %s", res.Status)
	}
	return res.Body.Close()
}

func records(e event) any {
	failures := []map[string]string{}
	for _, r := range e.Records {
		fmt.Println("record", string(r.Kinesis.Data))
		if string(r.Kinesis.Data) == "poison" {
			failures = append(failures, map[string]string{"itemIdentifier": r.Kinesis.SequenceNumber})
		}
	}
	return map[string]any{"batchItemFailures": failures}
}

func proxy(e event) (any, error) {
	switch e.PathParameters["name"] {
	case "broken":
		return map[string]any{"status": 200}, nil
	case "crash":
		return nil, errors.New("crash")
	}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return map[string]any{"statusCode": 202, "headers": map[string]string{"Content-Type": "application/json", "Retry-After": "7"}, "body": string(body)}, nil
}
