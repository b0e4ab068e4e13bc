package fake

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// serve handles DescribeKey.
func (f kmsAPI) serve(w http.ResponseWriter, r *request) {
	var in struct{ KeyId string }
	if err := json.Unmarshal(r.body, &in); err != nil || r.call.Action != "DescribeKey" {
		f.refuse(w, r, notThere(r))
		return
	}
	id := in.KeyId[strings.LastIndexByte(in.KeyId, '/')+1:]
	if alias, ok := f.registry.find("AWS::KMS::Alias", in.KeyId); ok {
		id = str(alias.props, "TargetKeyId")
	}
	arn := f.arn("kms", "key/"+id)
	r.call.Resource = arn
	key, ok := f.registry.find("AWS::KMS::Key", id)
	if !ok {
		f.refuse(w, r, wire.Errorf("NotFoundException", "Key '%s' does not exist", arn))
		return
	}
	wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"KeyMetadata": map[string]any{
		"KeyId": id, "Arn": arn, "Enabled": true, "KeyState": "Enabled", "AWSAccountId": f.options.Account,
		"Description": str(key.props, "Description"), "CreationDate": key.created.Unix(), "KeyUsage": "ENCRYPT_DECRYPT",
	}})
}
