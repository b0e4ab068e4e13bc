package ec2

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
)

// pageSize is the number of entries of a page, EC2's largest.
const pageSize = 1000

// Zone is an availability zone.
type Zone struct {
	Name string `xml:"zoneName"`
	// State is "available", "information", "impaired", "unavailable" or "constrained".
	State string `xml:"zoneState"`
}

// Zones lists the availability zones of the region that the account may use.
func (c *Client) Zones(ctx context.Context) ([]Zone, error) {
	var page struct {
		Zones []Zone `xml:"availabilityZoneInfo>item"`
	}
	if err := c.call(ctx, "DescribeAvailabilityZones", url.Values{}, &page); err != nil {
		return nil, fmt.Errorf("list availability zones: %w", err)
	}
	return page.Zones, nil
}

// VPCs counts the VPCs of the account in the region.
func (c *Client) VPCs(ctx context.Context) (int, error) {
	used := 0
	err := pages(func(token string) (string, error) {
		var page struct {
			IDs  []string `xml:"vpcSet>item>vpcId"`
			Next string   `xml:"nextToken"`
		}
		if err := c.call(ctx, "DescribeVpcs", paged(url.Values{}, token), &page); err != nil {
			return "", err
		}
		used += len(page.IDs)
		return page.Next, nil
	})
	if err != nil {
		return 0, fmt.Errorf("list VPCs: %w", err)
	}
	return used, nil
}

// NetworkInterface is an elastic network interface (ENI).
type NetworkInterface struct {
	ID          string `xml:"networkInterfaceId"`
	Subnet      string `xml:"subnetId"`
	Description string `xml:"description"`
	// Type is "lambda" for a function's, and "interface" for most others.
	Type   string   `xml:"interfaceType"`
	Groups []string `xml:"groupSet>item>groupId"`
}

// NetworkInterfaces lists the interfaces that match a filter of EC2, such as "subnet-id",
// with one of the values.
func (c *Client) NetworkInterfaces(ctx context.Context, filter string, values []string) ([]NetworkInterface, error) {
	var out []NetworkInterface
	err := pages(func(token string) (string, error) {
		parameters := url.Values{"Filter.1.Name": {filter}}
		for i, v := range values {
			parameters.Set("Filter.1.Value."+strconv.Itoa(i+1), v)
		}
		var page struct {
			Interfaces []NetworkInterface `xml:"networkInterfaceSet>item"`
			Next       string             `xml:"nextToken"`
		}
		if err := c.call(ctx, "DescribeNetworkInterfaces", paged(parameters, token), &page); err != nil {
			return "", err
		}
		out = append(out, page.Interfaces...)
		return page.Next, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	return out, nil
}

// paged adds the size and the token of a page. EC2 rejects a size beside a list of ids,
// not beside filters.
func paged(parameters url.Values, token string) url.Values {
	parameters.Set("MaxResults", strconv.Itoa(pageSize))
	if token != "" {
		parameters.Set("NextToken", token)
	}
	return parameters
}

// pages calls next with the token of each page, starting with an empty one, until a page
// has no successor.
func pages(next func(token string) (string, error)) error {
	token := ""
	for range maxPages {
		following, err := next(token)
		if err != nil {
			return err
		}
		if following == "" {
			return nil
		}
		if following == token {
			return fmt.Errorf("the list repeats its page %q", token)
		}
		token = following
	}
	return fmt.Errorf("the list has more than %d pages", maxPages)
}
