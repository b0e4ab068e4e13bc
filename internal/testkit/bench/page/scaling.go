package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/cost"
)

// Assumptions of the table, beside those of the cost model.
const (
	eventBytes = 1000
	batchSize  = 100
	day        = 86_400
	// A shard takes so many records and bytes per second.
	shardRecords = 1000
	shardBytes   = 1 << 20
	// maxStorageGiB is the limit of an RDS instance.
	maxStorageGiB = 64 << 10
)

// scaling returns the settings and quantities for growing traffic.
func scaling() (string, error) {
	prices, err := cost.ListPrices()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("| events per second | shards | loaders at a time | ingest at a time | rows per day | added to the database per day | archive objects per day | per month | per million events |\n")
	out.WriteString("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, rate := range []float64{1000, 10_000, 100_000, 1_000_000} {
		v := config.Default(config.Production)
		load := cost.Load{EventsPerSecond: rate, EventBytes: eventBytes, Batch: batchSize, QueriesPerSecond: 1, Month: 1}
		record := cost.Model(v, load).RecordBytes
		shards := int(math.Ceil(max(rate/shardRecords, rate*record/shardBytes)))
		v.ShardCount, v.DatabaseMaxStorageGiB = shards, maxStorageGiB
		usage := cost.Model(v, load)
		report, err := cost.Estimate(cost.Platform{Variables: v, Region: "us-east-1", AlarmMetrics: 38}, usage, 1, prices)
		if err != nil {
			return "", err
		}
		perSecond := usage.Events / rate // seconds of the month
		ingest := usage.Functions[contract.FuncIngest].Seconds / perSecond
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s million | %s GB | %s | %s USD | %.2f USD |\n", grouped(rate), grouped(float64(shards)), grouped(float64(shards)),
			value(max(1, ingest), ""), grouped(rate*day/1e6), grouped(usage.WarehouseGB/perSecond*day), grouped(usage.Objects/perSecond*day), grouped(report.MonthUSD), *report.MillionEventsUSD)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}
