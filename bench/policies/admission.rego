# Admission of a workload: every container from a known registry, with limits, and not privileged.
package bench.admission

registries := ["registry.example.org/", "mirror.example.org/"]

default allow := false

allow if count(deny) == 0

known(image) if {
	some registry in registries
	startswith(image, registry)
}

deny contains msg if {
	some container in input.spec.containers
	not known(container.image)
	msg := sprintf("the image %s comes from an unknown registry", [container.image])
}

deny contains msg if {
	some container in input.spec.containers
	not container.resources.limits.memory
	msg := sprintf("the container %s has no memory limit", [container.name])
}

deny contains msg if {
	some container in input.spec.containers
	container.securityContext.privileged
	msg := sprintf("the container %s is privileged", [container.name])
}

deny contains "a workload has an owner" if not input.metadata.labels.owner
