package audit

import "strings"

// replication finds buckets whose copies are never made: S3 accepts the role
// without checking its permissions, and objects just get the status FAILED.
func replication(v *View) []Problem {
	var out report
	for _, b := range v.of("AWS::S3::Bucket") {
		role, ok := v.find(at(b.Properties, "ReplicationConfiguration", "Role"), "AWS::IAM::Role")
		if !ok {
			continue
		}
		arn := text(v.value(b, "Arn"))
		onObjects := []string{"s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"}
		if yes(b.Properties["ObjectLockEnabled"]) {
			onObjects = append(onObjects, "s3:GetObjectRetention", "s3:GetObjectLegalHold")
		}
		for _, action := range []string{"s3:GetReplicationConfiguration", "s3:ListBucket"} {
			if !v.allows(role, action, arn) {
				out.add(role.ID, "may not %s on %s", action, arn)
			}
		}
		for _, action := range onObjects {
			if !v.allows(role, action, arn+"/raw/x") {
				out.add(role.ID, "may not %s on %s/*", action, arn)
			}
		}
		for _, s := range v.grants(role) {
			for _, resource := range s.resources {
				bucket, _, _ := strings.Cut(resource, "/")
				if strings.HasSuffix(bucket, "*") && strings.Contains(bucket, ":s3:") {
					out.add(role.ID, "may use every bucket whose name matches %s", bucket)
				}
			}
		}
		for _, rule := range list(at(b.Properties, "ReplicationConfiguration", "Rules")) {
			destination := text(at(rule, "Destination", "Bucket"))
			for _, action := range []string{"s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"} {
				if !v.allows(role, action, destination+"/raw/x") {
					out.add(role.ID, "may not %s on %s/*", action, destination)
				}
			}
			key := text(at(rule, "Destination", "EncryptionConfiguration", "ReplicaKmsKeyID"))
			if key != "" && !v.allows(role, "kms:Encrypt", key) {
				out.add(role.ID, "may not encrypt with %s", key)
			}
		}
	}
	return out
}
