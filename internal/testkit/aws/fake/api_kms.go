package fake

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// serve handles DescribeKey and ScheduleKeyDeletion.
func (f kmsAPI) serve(w http.ResponseWriter, r *request) {
	var in struct {
		KeyId               string
		PendingWindowInDays *int
	}
	if err := json.Unmarshal(r.body, &in); err != nil || r.call.Action != "DescribeKey" && r.call.Action != "ScheduleKeyDeletion" {
		f.refuse(w, r, notThere(r))
		return
	}
	id := in.KeyId[strings.LastIndexByte(in.KeyId, '/')+1:]
	if alias, ok := f.registry.find("AWS::KMS::Alias", in.KeyId); ok {
		id = str(alias.props, "TargetKeyId")
	}
	arn := f.arn("kms", "key/"+id)
	r.call.Resource = arn
	if date, pending := f.stores.deletionDate(id); pending {
		if r.call.Action == "ScheduleKeyDeletion" {
			f.refuse(w, r, wire.Errorf("KMSInvalidStateException", "%s is pending deletion.", arn))
			return
		}
		wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"KeyMetadata": map[string]any{
			"KeyId": id, "Arn": arn, "Enabled": false, "KeyState": "PendingDeletion", "AWSAccountId": f.options.Account, "DeletionDate": date.Unix(), "KeyUsage": "ENCRYPT_DECRYPT",
		}})
		return
	}
	key, ok := f.registry.find("AWS::KMS::Key", id)
	switch {
	case !ok:
		f.refuse(w, r, wire.Errorf("NotFoundException", "Key '%s' does not exist", arn))
	case r.call.Action == "ScheduleKeyDeletion":
		days := 30
		if in.PendingWindowInDays != nil {
			days = *in.PendingWindowInDays
		}
		if days < 7 || days > 30 {
			f.refuse(w, r, wire.Errorf("ValidationException", "1 validation error detected: Value '%d' at 'pendingWindowInDays' failed to satisfy constraint", days))
			return
		}
		date := f.now().AddDate(0, 0, days)
		f.stores.scheduleDeletion(id, date)
		f.registry.remove("AWS::KMS::Key", id)
		wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"KeyId": arn, "DeletionDate": date.Unix(), "KeyState": "PendingDeletion", "PendingWindowInDays": days})
	default:
		enabled, state := str(key.props, "Enabled") != "false", "Enabled"
		if !enabled {
			state = "Disabled"
		}
		wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"KeyMetadata": map[string]any{
			"KeyId": id, "Arn": arn, "Enabled": enabled, "KeyState": state, "AWSAccountId": f.options.Account,
			"Description": str(key.props, "Description"), "CreationDate": key.created.Unix(), "KeyUsage": "ENCRYPT_DECRYPT",
		}})
	}
}

func (s *stores) scheduleDeletion(key string, date time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pendingKeys[key] = date
}

func (s *stores) deletionDate(key string) (date time.Time, pending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	date, pending = s.pendingKeys[key]
	return date, pending
}

// PendingKeys lists the keys whose deletion a call scheduled, with its date.
func (f Inventory) PendingKeys() map[string]time.Time {
	f.stores.mu.Lock()
	defer f.stores.mu.Unlock()
	out := map[string]time.Time{}
	for id, date := range f.stores.pendingKeys {
		out[id] = date
	}
	return out
}
