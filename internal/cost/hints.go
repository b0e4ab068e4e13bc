package cost

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/config"
)

// Hint is a change of the settings or the clients, or a limit that the load exceeds.
type Hint struct {
	// Change describes it. SavesUSD is the saving per month; a limit has 0.
	Change   string  `json:"change"`
	SavesUSD float64 `json:"savesUsd"`
}

// maxBatch is the largest number of events of a request.
const maxBatch = 500

// ForLoad estimates a load, with hints.
func ForLoad(p Platform, l Load, prices Prices) (Report, error) {
	r, err := Estimate(p, Model(p.Variables, l), l.Month, prices)
	if err != nil {
		return r, err
	}
	h := hints{platform: p, month: l.Month, prices: prices, report: &r, usage: func(v config.Variables) Usage { return Model(v, l) }}
	for _, batch := range []int{10, 100, maxBatch} {
		if batch > l.Batch && l.EventsPerSecond > 0 {
			larger := l
			larger.Batch = batch
			other := h
			other.usage = func(v config.Variables) Usage { return Model(v, larger) }
			other.compare(fmt.Sprintf("%d events per request instead of %d", batch, l.Batch), p.Variables)
		}
	}
	h.settings()
	return r, nil
}

// ForUsage estimates a measured usage, with hints.
func ForUsage(p Platform, u Usage, month int, prices Prices) (Report, error) {
	r, err := Estimate(p, u, month, prices)
	if err != nil {
		return r, err
	}
	h := hints{platform: p, month: month, prices: prices, report: &r, usage: func(config.Variables) Usage { return u }}
	h.settings()
	return r, nil
}

// hints compares a report with those of other settings.
type hints struct {
	platform Platform
	month    int
	prices   Prices
	report   *Report
	usage    func(config.Variables) Usage
}

// compare adds a hint if other settings cost less. A class without a price is skipped.
func (h hints) compare(change string, v config.Variables) {
	other := h.platform
	other.Variables = v
	r, err := Estimate(other, h.usage(v), h.month, h.prices)
	if err == nil && h.report.MonthUSD-r.MonthUSD >= 0.005 {
		h.report.Hints = append(h.report.Hints, Hint{change, h.report.MonthUSD - r.MonthUSD})
	}
}

func (h hints) settings() {
	v := h.platform.Variables
	u := h.usage(v)
	rate := u.Events / secondsPerMonth
	need := neededShards(rate, u.RecordBytes)
	if v.StreamMode == config.StreamOnDemand {
		provisioned := v
		provisioned.StreamMode, provisioned.ShardCount = config.StreamProvisioned, need
		h.compare(fmt.Sprintf("StreamMode: PROVISIONED, ShardCount: %d, without reserve for peaks", need), provisioned)
	} else {
		onDemand := v
		onDemand.StreamMode, onDemand.ShardCount = config.StreamOnDemand, 0
		h.compare("StreamMode: ON_DEMAND", onDemand)
		fewer := v
		fewer.ShardCount = need
		h.compare(fmt.Sprintf("ShardCount: %d, without reserve for peaks", need), fewer)
	}
	graviton := v
	graviton.DatabaseInstanceClass = gravitonClass(v.DatabaseInstanceClass)
	h.compare("DatabaseInstanceClass: "+graviton.DatabaseInstanceClass+" (Graviton)", graviton)
	graviton = v
	graviton.CacheNodeType = gravitonClass(v.CacheNodeType)
	h.compare("CacheNodeType: "+graviton.CacheNodeType+" (Graviton)", graviton)
	for _, reserved := range []struct{ what, prefix, discount string }{
		{"reserved database instances for a year", instancePrefix + v.DatabaseInstanceClass, rdsReserved}, {"reserved cache nodes for a year", nodePrefix + v.CacheNodeType, cacheReserved},
	} {
		price, hours := h.prices.Regions[h.platform.Region][reserved.prefix].USD, 0.0
		for _, i := range h.report.Items {
			if i.Unit == "hour" && i.PriceUSD == price && (i.Component == partDatabase) == strings.HasPrefix(reserved.prefix, instancePrefix) {
				hours += i.Quantity
			}
		}
		h.report.Hints = append(h.report.Hints, Hint{reserved.what + ", without upfront payment", hours * price * h.prices.Regions[h.platform.Region][reserved.discount].USD})
	}
	slices.SortStableFunc(h.report.Hints, func(a, b Hint) int {
		switch {
		case a.SavesUSD > b.SavesUSD:
			return -1
		case a.SavesUSD < b.SavesUSD:
			return 1
		}
		return 0
	})
	h.limits(v, u, need)
}

// limits adds the limits that a load exceeds, before the savings.
func (h hints) limits(v config.Variables, u Usage, need int) {
	var limits []Hint
	if v.StreamMode == config.StreamProvisioned && need > v.ShardCount {
		limits = append(limits, Hint{Change: fmt.Sprintf("limit: the load needs %d shards, and ShardCount is %d", need, v.ShardCount)})
	}
	most := float64(max(v.DatabaseStorageGiB, v.DatabaseMaxStorageGiB))
	for month := 1; month <= h.month; month++ {
		if data := storedGB(v, u, month); data > most {
			limits = append(limits, Hint{Change: fmt.Sprintf("limit: the warehouse needs more than %.0f GiB in month %d (%.0f GB): shorten WarehouseRetentionDays, or raise DatabaseMaxStorageGiB", most, month, data)})
			break
		}
	}
	h.report.Hints = append(limits, h.report.Hints...)
}

// gravitonClass returns the class with Graviton processors that is nearest to a class, or
// the class itself.
func gravitonClass(class string) string {
	for _, r := range [][2]string{{".t3.", ".t4g."}, {".m5.", ".m6g."}, {".m6i.", ".m6g."}, {".m7i.", ".m7g."}, {".r5.", ".r6g."}, {".r6i.", ".r6g."}, {".r7i.", ".r7g."}} {
		if strings.Contains(class, r[0]) {
			return strings.Replace(class, r[0], r[1], 1)
		}
	}
	return class
}
