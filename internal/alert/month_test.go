package alert_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/alert"
)

// anomaly is a planted disturbance of the traffic.
type anomaly struct {
	from, to time.Duration // since the start
	// events and buys multiply the number of events and of purchases.
	events, buys float64
	// alert is the name of the alert that must fire.
	alert string
}

// traffic generates the minutes of events and purchases of six weeks: a day and a week
// with their usual shape, random numbers around it, and the anomalies.
func traffic(seed uint64, planted []anomaly) (events, buys []alert.Minute) {
	random := rand.New(rand.NewPCG(seed, 1))
	around := func(mean float64) int64 { // a normal approximation of a Poisson distribution
		return max(0, int64(math.Round(mean+math.Sqrt(mean)*random.NormFloat64())))
	}
	for m := range 6 * 7 * 1440 {
		since := time.Duration(m) * time.Minute
		at := noon.Add(since)
		hour := float64(at.Hour()) + float64(at.Minute())/60
		mean := 200 * (1.2 + math.Sin((hour-8)/24*2*math.Pi))
		if day := at.Weekday(); day == time.Saturday || day == time.Sunday {
			mean *= 0.6
		}
		bought := 0.03
		for _, a := range planted {
			if since >= a.from && since < a.to {
				mean *= a.events
				bought *= a.buys
			}
		}
		n := around(mean)
		events = append(events, alert.Minute{At: at, N: n})
		buys = append(buys, alert.Minute{At: at, N: around(float64(n) * bought)})
	}
	return events, buys
}

// TestMonth evaluates alerts of each kind for five months of traffic with planted
// anomalies. Some of these are too weak or too short to be found.
// The first two weeks are last week's data.
func TestMonth(t *testing.T) {
	const day, warmUp = 24 * time.Hour, 14 * 24 * time.Hour
	definitions := []alert.Definition{
		{Name: "flood", WindowMinutes: 5, Above: new(4000.0)},
		{Name: "drop", WindowMinutes: 30, DecreasePercent: new(40.0), MinEvents: 500},
		{Name: "rise", WindowMinutes: 30, IncreasePercent: new(60.0), MinEvents: 500},
		{Name: "no_purchases", Value: "purchase", Absent: true, WindowMinutes: 60},
		{Name: "conversion", Value: "purchase", Per: &alert.Number{}, WindowMinutes: 60, Below: new(0.015), MinEvents: 1000, ForMinutes: 10},
	}
	found, planted, echoes, falseAlarms, evaluated := 0, 0, 0, 0, 0
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 2))
		var anomalies []anomaly
		for i := range 20 { // one every 33 hours, so that none is last week's data of another
			a := anomaly{from: warmUp + time.Duration(i)*33*time.Hour + time.Duration(random.IntN(600))*time.Minute, events: 1, buys: 1}
			length := time.Duration(40+random.IntN(170)) * time.Minute
			switch i % 5 {
			case 0:
				a.alert, a.events = "flood", 4+20*random.Float64()
			case 1:
				a.alert, a.events = "drop", 0.62*random.Float64()
			case 2:
				a.alert, a.events = "rise", 1.5+1.5*random.Float64()
			case 3:
				a.alert, a.buys = "no_purchases", 0
			case 4:
				a.alert, a.buys = "conversion", 0.5*random.Float64()
			}
			a.to = a.from + length
			anomalies = append(anomalies, a)
		}
		events, buys := traffic(seed, anomalies)
		data := alert.Data{Minutes: map[alert.Series][]alert.Minute{}}
		fired := map[string][]time.Duration{}
		for _, d := range definitions {
			var s alert.State
			for m := warmUp; m < 6*7*day; m += time.Minute {
				// Only the minutes of the window: the evaluation reads every minute it gets.
				first := int(m/time.Minute) - int(d.Window()/time.Minute)
				before := first - 7*1440
				window := int(d.Window() / time.Minute)
				data.Minutes[all] = append(append(data.Minutes[all][:0], events[before:before+window]...), events[first:first+window]...)
				data.Minutes[purchases] = append(data.Minutes[purchases][:0], buys[first:first+window]...)
				next, err := d.Next(s, noon.Add(m), data)
				if err != nil {
					t.Fatal(err)
				}
				evaluated++
				if next.State == alert.Firing && s.State != alert.Firing {
					fired[d.Name] = append(fired[d.Name], m)
				}
				s = next
			}
		}
		for _, a := range anomalies {
			planted++
			for _, at := range fired[a.alert] {
				if at >= a.from && at < a.to+time.Hour {
					found++
					break
				}
			}
		}
		for name, times := range fired {
			for _, at := range times {
				switch {
				case during(anomalies, at):
				case during(anomalies, at-7*24*time.Hour):
					echoes++ // last week was unusual
				default:
					falseAlarms++
					t.Logf("seed %d: %s fired %s after the start without an anomaly", seed, name, at)
				}
			}
		}
	}
	t.Logf("%d of %d anomalies found, %d false alarms and %d a week after an anomaly, in %d evaluations", found, planted, falseAlarms, echoes, evaluated)
	if found < planted*85/100 || falseAlarms > 5 {
		t.Errorf("found %d of %d anomalies with %d false alarms, want 85 %% and at most 5", found, planted, falseAlarms)
	}
}

// during reports whether an anomaly is in the window of an alert.
func during(anomalies []anomaly, at time.Duration) bool {
	for _, a := range anomalies {
		if at >= a.from && at < a.to+90*time.Minute {
			return true
		}
	}
	return false
}
